"""Network structure computed on partitions of the agents, for networks whose edges do not fit in memory."""
