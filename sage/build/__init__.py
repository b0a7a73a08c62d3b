"""The composition root: the one place where plugins, orchestrator, memory and world meet."""

from sage.build.body import Bystander, RobotBody
from sage.build.config import RunConfig
from sage.build.opening import build
from sage.build.runtime import OnScene, Runtime, VisionFactory

__all__ = ["Bystander", "OnScene", "RobotBody", "RunConfig", "Runtime", "VisionFactory", "build"]
