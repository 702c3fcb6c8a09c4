/** Which columns a list shows; remembered in this browser, and in the URL when it differs from the usual. */
import { ActionIcon, Checkbox, Popover, Stack, Tooltip } from "@mantine/core";
import { Icon } from "@/components/Icon";

interface Props {
  columns: readonly { id: string; title: string }[];
  visible: Record<string, boolean>;
  onChange: (visible: Record<string, boolean>) => void;
}

export function ColumnChooser({ columns, visible, onChange }: Props) {
  return (
    <Popover position="bottom-end" trapFocus>
      <Popover.Target>
        <Tooltip label="Columns">
          <ActionIcon aria-label="Columns" variant="default">
            <Icon name="columns" />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap={6}>
          {columns.slice(1).map((column) => (
            <Checkbox
              key={column.id}
              size="xs"
              label={column.title}
              checked={visible[column.id] !== false}
              onChange={(event) => onChange({ ...visible, [column.id]: event.currentTarget.checked })}
            />
          ))}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
