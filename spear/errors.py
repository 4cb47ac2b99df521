"""Errors that a user can put right, by name.

Every message is one sentence: what is wrong, what was expected, and what to do.
"""


class SpearError(Exception):
    """Base of every error that the user can put right."""


class InvalidObservation(SpearError):
    """The update cannot be attacked: a part is missing, has a wrong shape, or is not finite."""


class HiddenRank(InvalidObservation):
    """The update was changed so that its rank says nothing of the batch: a defense that works."""


class LayerError(SpearError):
    """The attacked layer does not exist, or no ReLU stands where the attack needs it."""


class VictimError(SpearError):
    """The network cannot be attacked: it does not run on the inputs, or its outputs are random,
    depend on the rest of a batch, or cannot be differentiated twice."""


class DatasetError(SpearError):
    """A data set's files are missing, damaged or too few for the batch asked for."""


class CheckpointError(SpearError):
    """A checkpoint is missing, damaged or does not fit the network."""


class ConfigError(SpearError):
    """A setting has a value that its class or function cannot take."""
