/**
 * The address's query as state. Changes replace the entry in the history and leave the fragment alone. They start from
 * where the browser is: what is on the screen may lag behind, and two changes in a row must not undo each other.
 */
import { useCallback, useMemo } from "react";
import { useLocation, useNavigate } from "react-router";

type Change = (before: URLSearchParams) => URLSearchParams;

/** The query and a function that changes it; `push` makes a step that Back undoes. */
export function useQueryParams(): [URLSearchParams, (change: Change, push?: boolean) => void] {
  const { search } = useLocation();
  const navigate = useNavigate();
  const params = useMemo(() => new URLSearchParams(search), [search]);
  const update = useCallback(
    (change: Change, push = false) => {
      const { search, hash } = window.location;
      const next = change(new URLSearchParams(search)).toString();
      void navigate({ search: next, hash }, { replace: !push, preventScrollReset: true });
    },
    [navigate],
  );
  return [params, update];
}

/** One value of the query; the default leaves no trace there. */
export function useParam(name: string, fallback = ""): [string, (value: string) => void] {
  const [params, update] = useQueryParams();
  const set = useCallback(
    (value: string) =>
      update((params) => {
        if (value === fallback || value === "") params.delete(name);
        else params.set(name, value);
        return params;
      }),
    [update, name, fallback],
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
