/** The state of one service, asked of the host's agent when somebody wants to know; nothing is kept. */

import { Button, Modal, Skeleton, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf } from "@/api/problem";
import type { HostRow, ServiceStatus } from "@/api/types";
import { Mark, type Tone } from "@/components/Mark";
import { Notice } from "@/components/Notice";
import { sentence } from "@/lib/words";
import classes from "@/modules/jobs/jobs.module.css";

function toneOf(service: ServiceStatus): Tone {
  if (service.healthy === false || service.active_state === "failed") return "danger";
  if (service.active_state === "active") return "healthy";
  return "attention";
}

export function ServiceLookup({ host, onClose }: { host: HostRow; onClose: () => void }) {
  const api = useApi();
  const [text, setText] = useState("");
  const [name, setName] = useState("");
  const query = useQuery({
    queryKey: keys.service(host.id, name),
    queryFn: ({ signal }) =>
      api.get<ServiceStatus>(`hosts/${host.id}/services/${encodeURIComponent(name)}`, { signal }),
    enabled: name !== "",
    staleTime: 0,
    retry: false,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() === name) void query.refetch();
    setName(text.trim());
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Services of ${host.display_name}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack gap="sm">
        <form onSubmit={submit}>
          <TextInput
            label="Service"
            description="As systemd calls it, for example ssh or nginx.service."
            data-autofocus
            autoComplete="off"
            spellCheck={false}
            maxLength={256}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            rightSectionWidth={64}
            rightSection={
              <Button
                size="compact-sm"
                type="submit"
                disabled={text.trim() === ""}
                loading={query.isFetching}
              >
                Ask
              </Button>
            }
          />
        </form>
        {query.isFetching && query.data === undefined && <Skeleton height={120} />}
        {query.isError && !query.isFetching && (
          <Notice tone="danger" title={sentence(messageOf(query.error))} />
        )}
        {query.data !== undefined && !query.isError && <Status service={query.data} />}
      </Stack>
    </Modal>
  );
}

function Status({ service }: { service: ServiceStatus }) {
  const known = [
    ["State", [service.active_state, service.sub_state].filter((word) => word !== null).join(", ")],
    ["Starts with the system", service.enabled_state],
    ["Unit file", service.load_state],
    ["Main process", service.main_pid],
  ] as const;
  return (
    <div data-testid="service-status">
      <Mark tone={toneOf(service)}>{service.display_name ?? service.name}</Mark>
      <dl className={classes.pairs}>
        {known.map(([word, value]) => (
          <div key={word} style={{ display: "contents" }}>
            <dt>{word}</dt>
            <dd>{value === null || value === "" ? "–" : value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
