"""Training stages: lip-landmark student, sync expert, ANT, ERA."""
