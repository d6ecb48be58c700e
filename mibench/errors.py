"""The errors mibench raises on purpose.

Each message says what was wrong, where, and what to do; the command line prints it without a traceback.
"""


class MibenchError(Exception):
    """Base of every deliberate error; the command line turns it into one sentence and exit code 2."""


class UsageError(MibenchError, ValueError):
    """A name, parameter, selector or file that the user gave cannot be used."""


class DataError(MibenchError, ValueError):
    """Samples that no estimator can work with: wrong shape, NaN, nothing but constants."""


class Unsupported(MibenchError):
    """An estimator declines a problem it was not made for (status ``unsupported``)."""


class NotInstalled(MibenchError):
    """A data set or package is missing; the message says how to get it (status ``not_installed``)."""
