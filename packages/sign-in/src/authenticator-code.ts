import { base32 } from "@better-auth/utils/base32";
import { createOTP } from "@better-auth/utils/otp";

const parameters = { digits: 6, period: 30 } as const;

/**
 * The code that an authenticator app shows (RFC 6238), for tests and for the people of a demo.
 *
 * @param secret in base32, as `totp.begin` answers it
 * @param periods of 30 seconds from now. The sign-in takes the code of the current one and of both neighbours, each once
 */
export function codeOf(secret: string, periods = 0): Promise<string> {
  const now = Math.floor(Date.now() / (1000 * parameters.period));
  return createOTP(new TextDecoder().decode(base32.decode(secret)), parameters).hotp(now + periods);
}
