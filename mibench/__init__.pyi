# The public names, each once: type checkers read them here, and the package finds them here when they are first used.

from .advice.verdict import Advice as Advice
from .api import advise as advise
from .api import compare as compare
from .api import estimate as estimate
from .api import get_estimator as get_estimator
from .api import get_task as get_task
from .api import list_estimators as list_estimators
from .api import list_tasks as list_tasks
from .api import merge as merge
from .api import run as run
from .bound import Bound as Bound
from .checks import parametrize_with_checks as parametrize_with_checks
from .dependence import Independence as Independence
from .dependence import independence_test as independence_test
from .engine.executor import Executor as Executor
from .engine.grid import Grid as Grid
from .engine.runner import Observer as Observer
from .errors import DataError as DataError
from .errors import MibenchError as MibenchError
from .errors import NotInstalled as NotInstalled
from .errors import Unsupported as Unsupported
from .errors import UsageError as UsageError
from .estimator import Capabilities as Capabilities
from .estimator import Estimate as Estimate
from .estimator import Estimator as Estimator
from .estimator import Kind as Kind
from .estimator import Role as Role
from .estimator import check_samples as check_samples
from .estimator import rng_for as rng_for
from .registry import include as include
from .registry import register_estimator as register_estimator
from .registry import register_task as register_task
from .report.leaderboard import Leaderboard as Leaderboard
from .result import Result as Result
from .result import Status as Status
from .results import Results as Results
from .results import load_results as load_results
from .task import ConsistencyTask as ConsistencyTask
from .task import DownstreamTask as DownstreamTask
from .task import Metric as Metric
from .task import Outcome as Outcome
from .task import Task as Task

__all__: list[str]
__version__: str
