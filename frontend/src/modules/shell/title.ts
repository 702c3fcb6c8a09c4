/** Where am I: the page's name for the bar above it and the browser's tab. */
import { createContext, use, useEffect } from "react";
import { Value } from "@/lib/store";

export interface Title {
  text: string;
  /** A page above, as a link before the title. */
  parent?: { text: string; to: string } | undefined;
}

export const TitleContext = createContext<Value<Title>>(new Value<Title>({ text: "" }));

export function useTitle(text: string, parent?: { text: string; to: string }): void {
  const title = use(TitleContext);
  const [above, to] = [parent?.text, parent?.to];
  useEffect(() => {
    title.set({ text, parent: above === undefined || to === undefined ? undefined : { text: above, to } });
    document.title = text === "" ? "Linux Patch Manager" : `${text} · Linux Patch Manager`;
  }, [title, text, above, to]);
}
