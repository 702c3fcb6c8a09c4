export default function Deploy() {
  return null;
}
