"""What can go wrong, by name. Every message is one sentence: what it is about, what was expected,
and what to do."""


class SpearError(Exception):
    """Base of every error that the user can put right."""


class InvalidObservation(SpearError):
    """The update that the server holds cannot be attacked: a wrong shape, a NaN, no bias."""


class LayerError(SpearError):
    """The attacked layer does not exist, or no ReLU stands where the attack needs it."""


class VictimError(SpearError):
    """The network is one that gradient matching cannot attack: random, or not smooth enough."""


class DatasetError(SpearError):
    """A data set's files are missing, damaged or too few for the batch asked for."""


class CheckpointError(SpearError):
    """A checkpoint is missing, damaged or does not fit the network."""


class ConfigError(SpearError):
    """A setting has a value that the component it belongs to cannot take."""
