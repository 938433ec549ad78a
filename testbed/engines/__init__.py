"""Redis and Valkey of both Debian releases: one server, Sentinel, Cluster.

They run from the layers of packages by those layers' own loader and libraries, so nothing gets
installed, no root has to be mounted, and one is ready within 20 ms. Each has a temporary folder
and ends with the test. They stand on this machine's loopback, or wherever a `Place` says.
"""

from .cluster import Cluster
from .engine import FLAVOURS, Engine
from .sentinels import Sentinels
from .server import Server

__all__ = ["FLAVOURS", "Cluster", "Engine", "Sentinels", "Server"]
