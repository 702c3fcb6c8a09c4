/** The composition root's objects, handed down by context so that nothing is a module-level singleton. */
import { createContext, use } from "react";
import type { Api } from "@/api/http";

export const ApiContext = createContext<Api | null>(null);

export function useApi(): Api {
  const api = use(ApiContext);
  if (api === null) throw new Error("useApi outside of ApiContext");
  return api;
}
