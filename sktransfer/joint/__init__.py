"""Classifiers and regressors that adapt and learn in one step."""

from sktransfer.joint._domain_adaptive_svm import DomainAdaptiveSVM
from sktransfer.joint._easy_transfer_classifier import EasyTransferClassifier
from sktransfer.joint._gradual_transfer_classifier import GradualTransferClassifier
from sktransfer.joint._joint_transport_classifier import JointTransportClassifier
from sktransfer.joint._joint_transport_regressor import JointTransportRegressor
from sktransfer.joint._label_transport_classifier import LabelTransportClassifier
from sktransfer.joint._manifold_aligned_classifier import ManifoldAlignedClassifier
from sktransfer.joint._selective_manifold_classifier import (
    SelectiveManifoldClassifier,
)
from sktransfer.joint._selective_pseudo_label_classifier import (
    SelectivePseudoLabelClassifier,
)
from sktransfer.joint._self_trained_transfer_classifier import (
    SelfTrainedTransferClassifier,
)

__all__ = [
    "DomainAdaptiveSVM",
    "EasyTransferClassifier",
    "GradualTransferClassifier",
    "JointTransportClassifier",
    "JointTransportRegressor",
    "LabelTransportClassifier",
    "ManifoldAlignedClassifier",
    "SelectiveManifoldClassifier",
    "SelectivePseudoLabelClassifier",
    "SelfTrainedTransferClassifier",
]
