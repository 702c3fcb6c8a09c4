/** What pages show instead of themselves while there is no host at all. */
import { lazy, Suspense, useState } from "react";
import { NoHosts } from "@/modules/hosts/NoHosts";

const AddHost = lazy(() => import("@/modules/hosts/AddHost"));

export function EmptyFleet() {
  const [adding, setAdding] = useState(false);
  return (
    <>
      <NoHosts onAdd={() => setAdding(true)} />
      <Suspense>{adding && <AddHost onClose={() => setAdding(false)} />}</Suspense>
    </>
  );
}
