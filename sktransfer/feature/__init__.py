"""Feature-based transfer: aligners, which change X."""

from sktransfer.feature._coral_aligner import CORALAligner
from sktransfer.feature._feature_augmenter import FeatureAugmenter
from sktransfer.feature._geodesic_flow_aligner import GeodesicFlowAligner
from sktransfer.feature._linear_transport_aligner import LinearTransportAligner
from sktransfer.feature._mmd_aligner import MMDAligner
from sktransfer.feature._subspace_aligner import SubspaceAligner

__all__ = [
    "CORALAligner",
    "FeatureAugmenter",
    "GeodesicFlowAligner",
    "LinearTransportAligner",
    "MMDAligner",
    "SubspaceAligner",
]
