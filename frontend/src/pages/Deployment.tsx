export default function Deployment() {
  return null;
}
