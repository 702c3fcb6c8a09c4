/** Sign-in: password, then the authenticator's code; the first visit sets the authenticator up. */

import { Button, PasswordInput, TextInput } from "@mantine/core";
import { type FormEvent, lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { useApi } from "@/api/context";
import { messageOf, ProblemError } from "@/api/problem";
import { type Enrolment, sendCode, sendPassword, startEnrolment, type Ticket } from "@/api/signIn";
import { Notice } from "@/components/Notice";
import classes from "@/pages/SignIn.module.css";

const QrCode = lazy(() => import("@/components/QrCode"));

export function SignIn({ reason }: { reason: string | null }) {
  const [ticket, setTicket] = useState<Ticket | null>(null);
  useEffect(() => {
    document.title = "Sign in · Linux Patch Manager";
  }, []);
  return (
    <main className={classes.page}>
      <div className={classes.box}>
        <div className={classes.brand}>
          <img src="/assets/mark.svg" width="28" height="28" alt="" />
          <h1>Linux Patch Manager</h1>
        </div>
        {ticket === null ? (
          <Password reason={reason} onTicket={setTicket} />
        ) : (
          <Code ticket={ticket} onBack={() => setTicket(null)} />
        )}
      </div>
    </main>
  );
}

interface StepProps {
  action: () => Promise<void>;
  label: string;
  children: ReactNode;
  ready: boolean;
  onBack?: () => void;
}

/** One step: fields, what went wrong, one button. Says errors of the given action in words. */
function Step({ action, label, children, ready, onBack }: StepProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await action();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <form className={classes.form} onSubmit={(event) => void submit(event)}>
      {children}
      {problem !== null && <Notice tone="danger" title={problem} />}
      <Button type="submit" size="sm" loading={busy} disabled={!ready}>
        {label}
      </Button>
      {onBack !== undefined && (
        <button type="button" className="link-button" onClick={onBack}>
          Back to the password
        </button>
      )}
    </form>
  );
}

function Password({ reason, onTicket }: { reason: string | null; onTicket: (ticket: Ticket) => void }) {
  const api = useApi();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  return (
    <Step
      label="Continue"
      ready={username !== "" && password !== ""}
      action={async () => onTicket(await sendPassword(api, username.trim(), password))}
    >
      {reason !== null && <Notice tone="working" title={reason} />}
      <TextInput
        label="Username"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        value={username}
        onChange={(event) => setUsername(event.currentTarget.value)}
      />
      <PasswordInput
        label="Password"
        name="password"
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
    </Step>
  );
}

function Code({ ticket, onBack }: { ticket: Ticket; onBack: () => void }) {
  const api = useApi();
  const enrolling = ticket.methods.includes("totp_enrolment") && !ticket.methods.includes("totp");
  const [code, setCode] = useState("");
  const digits = code.replace(/\D/g, "");
  const action = async () => {
    try {
      await sendCode(api, ticket, digits, enrolling);
    } catch (error) {
      setCode("");
      if (error instanceof ProblemError && error.status === 410) onBack();
      throw error;
    }
  };
  return (
    <Step label="Sign in" ready={digits.length === 6} action={action} onBack={onBack}>
      {enrolling && <Enrol ticket={ticket} />}
      <TextInput
        label="Authentication code"
        description={
          enrolling
            ? "Type the code it shows now, to prove that it works."
            : "Six digits from your authenticator app."
        }
        name="code"
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={7}
        autoFocus
        value={code}
        onChange={(event) => {
          const next = event.currentTarget.value;
          flushSync(() => setCode(next));
          // The sixth digit is the last one: no need to reach for a button.
          if (next.replace(/\D/g, "").length === 6 && digits.length < 6)
            event.currentTarget.form?.requestSubmit();
        }}
      />
    </Step>
  );
}

function Enrol({ ticket }: { ticket: Ticket }) {
  const api = useApi();
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    startEnrolment(api, ticket).then(
      (answer) => current && setEnrolment(answer),
      (error: unknown) => current && setProblem(messageOf(error)),
    );
    return () => {
      current = false;
    };
  }, [api, ticket]);
  if (problem !== null) return <Notice tone="danger" title={problem} />;
  return (
    <>
      <p>Signing in needs a second factor. Scan this with an authenticator app, or type the key into it.</p>
      <div className={classes.qr}>
        <Suspense>{enrolment !== null && <QrCode text={enrolment.otpauth_uri} />}</Suspense>
      </div>
      <code className={classes.secret} data-testid="totp-secret">
        {enrolment?.secret ?? "…"}
      </code>
    </>
  );
}
