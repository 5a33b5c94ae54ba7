"""Feature-based transfer: aligners, which change X."""

from sktransfer.feature._coral_aligner import CORALAligner
from sktransfer.feature._correspondence_aligner import CorrespondenceAligner
from sktransfer.feature._feature_augmenter import FeatureAugmenter
from sktransfer.feature._geodesic_flow_aligner import GeodesicFlowAligner
from sktransfer.feature._invariant_feature_selector import InvariantFeatureSelector
from sktransfer.feature._linear_transport_aligner import LinearTransportAligner
from sktransfer.feature._location_scale_aligner import LocationScaleAligner
from sktransfer.feature._marginalized_denoiser import MarginalizedDenoiser
from sktransfer.feature._mmd_aligner import MMDAligner
from sktransfer.feature._optimal_transport_aligner import OptimalTransportAligner
from sktransfer.feature._subspace_aligner import SubspaceAligner
from sktransfer.feature._transfer_subspace_aligner import TransferSubspaceAligner

__all__ = [
    "CORALAligner",
    "CorrespondenceAligner",
    "FeatureAugmenter",
    "GeodesicFlowAligner",
    "InvariantFeatureSelector",
    "LinearTransportAligner",
    "LocationScaleAligner",
    "MMDAligner",
    "MarginalizedDenoiser",
    "OptimalTransportAligner",
    "SubspaceAligner",
    "TransferSubspaceAligner",
]
