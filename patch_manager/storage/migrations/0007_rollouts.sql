-- Rings, soak, stop rules, and how many may reboot at once.
SELECT 1;
