-- Rollback, reboots alone and package operations.
SELECT 1;
