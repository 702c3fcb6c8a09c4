/** One value of the address's query as state; the default leaves no trace there. */
import { useCallback } from "react";
import { useSearchParams } from "react-router";

export function useParam(name: string, fallback = ""): [string, (value: string) => void] {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (value: string) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          if (value === fallback || value === "") after.delete(name);
          else after.set(name, value);
          return after;
        },
        { replace: true, preventScrollReset: true },
      ),
    [setParams, name, fallback],
  );
  return [params.get(name) ?? fallback, set];
}

/** Like `useParam`, for one of a few words; anything else in the address counts as the first. */
export function useChoice<Choice extends string>(
  name: string,
  choices: readonly [Choice, ...Choice[]],
): [Choice, (value: string) => void] {
  const [value, set] = useParam(name, choices[0]);
  return [choices.find((choice) => choice === value) ?? choices[0], set];
}
