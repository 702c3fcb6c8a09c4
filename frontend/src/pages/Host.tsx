export default function Host() {
  return null;
}
