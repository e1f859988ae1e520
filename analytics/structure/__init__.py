"""The structure of a network: degrees, components, distances, triangles, cores, rankings and communities."""
