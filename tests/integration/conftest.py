"""A cluster of real processes, and a namespace for an rpcbind of its own."""

from clusters import cluster, cluster_inside, namespace  # noqa: F401
