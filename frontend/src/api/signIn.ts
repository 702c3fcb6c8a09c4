/** The steps of signing in: password, then a second factor, set up on the first visit. */
import type { Api } from "@/api/http";

export interface Ticket {
  mfa_token: string;
  methods: string[];
}

export interface Enrolment {
  secret: string;
  otpauth_uri: string;
}

interface Tokens {
  access_token: string;
  expires_in: number;
}

const ANONYMOUS = { anonymous: true };

export function sendPassword(api: Api, username: string, password: string): Promise<Ticket> {
  return api.post("auth/login", { username, password }, ANONYMOUS);
}

export function startEnrolment(api: Api, ticket: Ticket): Promise<Enrolment> {
  return api.post("auth/mfa/totp/enrol", { mfa_token: ticket.mfa_token }, ANONYMOUS);
}

/** Ends the sign-in: from here on the session holds an access token. */
export async function sendCode(api: Api, ticket: Ticket, code: string, enrolling: boolean): Promise<void> {
  const path = enrolling ? "auth/mfa/totp/enrol/confirm" : "auth/mfa/totp";
  const tokens = await api.post<Tokens>(path, { mfa_token: ticket.mfa_token, code }, ANONYMOUS);
  api.session.accept(tokens);
  api.session.announce();
}
