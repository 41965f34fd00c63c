"""Jobs of Amazon Web Services, by boto3: one module each, `statestore[aws]`."""
