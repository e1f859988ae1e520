"""Analytics: comparison of results as numbers, pictures, SQL and HTML reports."""
