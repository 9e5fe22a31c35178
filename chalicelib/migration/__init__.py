"""Images brought in from elsewhere: other registries by image-syncer's files, instances, storage folders."""
