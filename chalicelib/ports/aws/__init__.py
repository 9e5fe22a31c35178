"""The ports on AWS: DynamoDB, S3 and SQS, or whatever speaks their protocols. The only place for boto3."""
