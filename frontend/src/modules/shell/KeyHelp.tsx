/** The list of keys, on `?`. */
import { Modal } from "@mantine/core";
import classes from "@/modules/shell/KeyHelp.module.css";

const KEYS = [
  ["Ctrl K or ⌘ K", "Search hosts, pages and actions"],
  ["g then d, h, p, j, w, g, s", "Go to Dashboard, Hosts, Deploy, Jobs, Windows, Groups, Settings"],
  ["/", "Search in the list"],
  ["j and k", "Next and previous row"],
  ["x", "Select the row"],
  ["Enter", "Open the row; on the fleet map, deploy to the selection"],
  ["Arrow keys, Space", "On the fleet map: move, select; with Shift extend"],
  ["Esc", "Clear the selection, close a dialog"],
  ["?", "This list"],
] as const;

export default function KeyHelp({ onClose }: { onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Keyboard" closeButtonProps={{ "aria-label": "Close" }}>
      <dl className={classes.keys}>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
