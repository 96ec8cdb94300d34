"""awning: the services of a web application on AWS, for real, on one machine."""

__version__ = "0.1.0"
