"""Analytics: what results and networks mean, as numbers, pictures, SQL and pages."""
