"""The leaderboard: a pure function of Results. Imports neither torch nor mlflow nor any plug-in."""
