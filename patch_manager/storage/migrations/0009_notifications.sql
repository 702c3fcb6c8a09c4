-- Notifications: channels, rules, deliveries.
SELECT 1;
