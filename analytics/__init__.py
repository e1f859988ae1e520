"""Analytics: comparing results in numbers, figures, SQL and HTML reports."""
