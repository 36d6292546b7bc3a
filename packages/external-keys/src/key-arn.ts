/** What the name of a key in AWS KMS says. */
export interface KeyArn {
  readonly arn: string;
  readonly region: string;
  /** 12 digits. */
  readonly account: string;
}

/**
 * A key by its id, never by an alias, which its account can point at another key. The region becomes part of a host name, so that it
 * has the form of AWS's own.
 */
const form =
  /^arn:aws(?:-cn|-us-gov)?:kms:(?<region>[a-z]{2}(?:-[a-z]{1,16}){1,3}-[0-9]{1,2}):(?<account>[0-9]{12}):key\/[A-Za-z0-9-]{1,64}$/;

/** @returns undefined for everything else than the full ARN of a key in AWS KMS */
export function parseKeyArn(text: string): KeyArn | undefined {
  const { region, account } = form.exec(text)?.groups ?? {};
  return region === undefined || account === undefined ? undefined : { arn: text, region, account };
}
