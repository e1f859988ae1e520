"""The partitioned plan: edges are split by range of source agents, messages travel between partitions."""
