"""AWS's wire formats, compiled from botocore's service models. No I/O but the loading of a model."""
