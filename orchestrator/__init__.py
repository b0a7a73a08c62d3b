"""Who runs, with how much: the H level, the lanes, the ATP pool, trust and containment."""

from orchestrator.gate import SafetyGate, SafetyLimits
from orchestrator.hrm import HRMOrchestrator, OrchestratorConfig
from orchestrator.lockstep import LockStep
from orchestrator.member import PluginSettings
from orchestrator.supervisor import HealthState, RestartPolicy
from orchestrator.trust import TrustLedger

__all__ = [
    "HRMOrchestrator",
    "HealthState",
    "LockStep",
    "OrchestratorConfig",
    "PluginSettings",
    "RestartPolicy",
    "SafetyGate",
    "SafetyLimits",
    "TrustLedger",
]
