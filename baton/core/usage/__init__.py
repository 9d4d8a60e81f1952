"""What calls of language models used and cost: read from the answers of their SDKs by shape. No SDK is imported."""
