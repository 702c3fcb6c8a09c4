/** CVE numbers, the first ones linked to the public record, the rest counted. */
const SHOWN = 1;

export function Cves({ ids }: { ids: readonly string[] }) {
  if (ids.length === 0) return <span className="muted">–</span>;
  return (
    <span title={ids.join(", ")}>
      {ids.slice(0, SHOWN).map((id) => (
        <a
          key={id}
          href={`https://www.cve.org/CVERecord?id=${encodeURIComponent(id)}`}
          target="_blank"
          rel="noreferrer"
        >
          {id}
        </a>
      ))}
      {ids.length > SHOWN && <span className="muted"> +{ids.length - SHOWN}</span>}
    </span>
  );
}
