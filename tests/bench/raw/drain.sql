-- Two commits a batch.
CALL claim_and_ack(:batch);
