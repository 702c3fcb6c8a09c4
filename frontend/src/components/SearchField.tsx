/**
 * A search whose text lives in the address. The field is uncontrolled: typing never waits for 2,500 rows, and while
 * somebody types the address lags behind, so that writing it back would swallow letters.
 */
import { CloseButton, TextInput } from "@mantine/core";
import { useEffect, useRef } from "react";
import { Icon } from "@/components/Icon";
import { useKeys } from "@/lib/keyboard";

interface Props {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
}

export function SearchField({ label, placeholder, value, onChange }: Props) {
  const field = useRef<HTMLInputElement>(null);
  useKeys({
    "/": (event) => {
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    },
  });
  useEffect(() => {
    if (field.current !== null && field.current !== document.activeElement) field.current.value = value;
  }, [value]);
  const clear = () => {
    if (field.current !== null) field.current.value = "";
    onChange("");
  };
  return (
    <TextInput
      ref={field}
      size="xs"
      w={240}
      aria-label={label}
      placeholder={placeholder}
      leftSection={<Icon name="search" size={14} />}
      rightSection={
        value === "" ? <kbd>/</kbd> : <CloseButton size="sm" aria-label="Clear search" onClick={clear} />
      }
      defaultValue={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
    />
  );
}
