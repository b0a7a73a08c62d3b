"""Who runs, with how much: the H level, the lanes, the ATP pool, trust and containment."""

from orchestrator.config import OrchestratorConfig
from orchestrator.gate import SafetyGate, SafetyLimits
from orchestrator.hrm import HRMOrchestrator
from orchestrator.lockstep import LockStep
from orchestrator.member import PluginSettings
from orchestrator.policy import POLICIES, Claim, Policy
from orchestrator.supervisor import HealthState, RestartPolicy
from orchestrator.trust import TrustLedger

__all__ = [
    "POLICIES",
    "Claim",
    "HRMOrchestrator",
    "HealthState",
    "LockStep",
    "OrchestratorConfig",
    "PluginSettings",
    "Policy",
    "RestartPolicy",
    "SafetyGate",
    "SafetyLimits",
    "TrustLedger",
]
