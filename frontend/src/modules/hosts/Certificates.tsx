/** The certificates that the internal authority issued for one host's agent, and how the next one is made. */

import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Certificate, HostRow } from "@/api/types";
import { Mark } from "@/components/Mark";
import { Empty, Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { useNow } from "@/lib/clock";
import { exact } from "@/lib/time";
import { listed } from "@/lib/words";
import classes from "@/modules/hosts/Host.module.css";
import { colons, validity } from "@/modules/hosts/validity";

const NAMES: Record<Certificate["profile"], string> = {
  agent_server: "Agent's server certificate",
  manager_client: "Manager's client certificate",
  https_server: "Certificate of these pages",
};

export function Certificates({ host }: { host: HostRow }) {
  const api = useApi();
  const now = useNow();
  const query = useQuery({
    queryKey: keys.certificates(host.id),
    queryFn: ({ signal }) => api.all<Certificate>(`hosts/${host.id}/certificates`, { signal }),
  });
  if (query.isError) {
    return <Failure error={query.error} doing="read the certificates" retry={() => void query.refetch()} />;
  }
  if (query.isPending) return <Skeleton height={180} />;
  if (query.data.length === 0) {
    return (
      <Empty
        title="No certificate was issued for this host"
        actions={
          <Button component="a" href="/api/v1/pki/root.crt" download variant="default">
            Root certificate
          </Button>
        }
      >
        <p>
          Its agent may well have one that was made elsewhere. To issue one here, run on the manager, then
          copy the files to the machine:
        </p>
        <Command host={host} />
      </Empty>
    );
  }
  return (
    <div className={classes.certificates}>
      {query.data.map((each) => (
        <Issued key={each.serial} certificate={each} all={query.data} now={now} />
      ))}
      <div className="muted">
        The next one is issued on the manager; earlier ones stay valid until they expire or are revoked.
        <Command host={host} />
      </div>
    </div>
  );
}

function Command({ host }: { host: HostRow }) {
  return (
    <pre className={classes.command}>
      patch-manager pki issue <span>--host {host.address}</span> <span>--out ./{host.address}</span>
      {host.fqdn !== null && <span> --fqdn {host.fqdn}</span>}
    </pre>
  );
}

interface Props {
  certificate: Certificate;
  all: readonly Certificate[];
  now: number;
}

function Issued({ certificate, all, now }: Props) {
  const state = validity(certificate, all, now);
  const file = `data:application/x-pem-file,${encodeURIComponent(certificate.certificate_pem)}`;
  return (
    <Panel
      title={
        <Mark tone={state.tone}>
          {state.word}, {state.when}
        </Mark>
      }
      actions={
        <a href={file} download={`${certificate.serial}.pem`}>
          Download
        </a>
      }
    >
      <dl className={classes.certificate}>
        <dt>Purpose</dt>
        <dd>{NAMES[certificate.profile]}</dd>
        <dt>Names</dt>
        <dd>{listed(certificate.sans)}</dd>
        <dt>Valid</dt>
        <dd>
          {exact(certificate.not_before)} to {exact(certificate.not_after)}
        </dd>
        <dt>Serial number</dt>
        <dd className="mono">{colons(certificate.serial)}</dd>
        <dt title="As openssl x509 -noout -fingerprint -sha256 prints it on the host">SHA-256 fingerprint</dt>
        <dd className="mono">{colons(certificate.fingerprint)}</dd>
      </dl>
    </Panel>
  );
}
