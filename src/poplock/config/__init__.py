"""The configuration file: TOML into checked dataclasses, with errors that name the line."""

from .load import load_config
from .model import Config

__all__ = ["Config", "load_config"]
