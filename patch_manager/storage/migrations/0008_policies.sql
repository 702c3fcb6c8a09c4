-- Exclusions and standing policies.
SELECT 1;
