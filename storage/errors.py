"""Every way the storage room says no. Each message is one sentence that a person can act on."""


class StorageError(Exception):
    """Base of the errors below; `str(error)` is fit to be shown on a page."""


class NotFound(StorageError):
    """There is no such row, or what was typed fits several."""


class ClaimLost(StorageError):
    """The run is no longer this attempt's to write to: it was reaped, ended or claimed anew."""


class RunBusy(StorageError):
    """The run cannot be changed like this now: it is at work, or another run needs it."""


class DatabaseTooNew(StorageError):
    """The database was written by a newer Lethe than this one."""


class CheckpointNotSaved(StorageError):
    """Nothing was kept: the disk was full, a file was refused, or the writer failed."""


class CheckpointMissing(StorageError):
    """A file of the checkpoint is gone."""


class CheckpointAltered(StorageError):
    """A file of the checkpoint is not the one that was saved."""


class CheckpointInUse(StorageError):
    """Another run, checkpoint or score refers to the checkpoint."""


class DriverMissing(StorageError):
    """The database that is asked for needs a Python package which is not installed."""
