import { expect, test } from "vitest";
import type { Channel } from "@/api/types";
import { addressesIn, kindOf, whereOf } from "@/modules/notifications/words";

const MAIL: Channel = {
  id: "1",
  name: "Mail",
  kind: "smtp",
  smtp: {
    host: "mail.example.com",
    port: 25,
    security: "none",
    username: null,
    password_set: false,
    sender: "a@example.com",
    recipients: [],
  },
  webhook: null,
  created_by: "alice",
  created_at: "2030-01-01T00:00:00Z",
  updated_at: "2030-01-01T00:00:00Z",
};

test("recipients are read as people type them", () => {
  expect(addressesIn(" a@example.com, b@example.com;\nc@example.com ,")).toEqual([
    "a@example.com",
    "b@example.com",
    "c@example.com",
  ]);
});

test("a channel says where it leads, and that a way is not encrypted", () => {
  expect(whereOf(MAIL)).toBe("mail.example.com:25 (not encrypted), recipients as rules say");
});

test("operators, who see no settings, are told the kind", () => {
  expect(kindOf({ ...MAIL, kind: "webhook", smtp: null })).toBe("Webhook");
  expect(whereOf({ ...MAIL, kind: "webhook", smtp: null })).toBe("");
});
