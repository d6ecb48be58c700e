"""The search for nearest neighbours and the counts within their radii: one answer, several ways to it."""
