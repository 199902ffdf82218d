"""What users write: the kinds as pydantic models, and the CRDs and documentation made from them."""
