import { Link, useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import { Page } from "../frame/page.tsx";
import { buttonLook } from "../ui/button.tsx";
import { Form } from "../ui/form.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { draftOf, EndpointFields, wrongWith } from "./endpoint-fields.tsx";
import { useMaking, type MadeSecret } from "./making.ts";
import { useEndpointOwner } from "./place.ts";
import { ShownOnce } from "./shown-once.tsx";

/** Where an endpoint is added. A page of its own, so that no click beside loses its secret. */
export function NewEndpointPage(): ReactNode {
  const { mayManage, linkTo } = useEndpointOwner();
  const navigate = useNavigate();
  const [made, setMade] = useState<MadeSecret>();
  if (!mayManage) return <NotYoursPage />;
  if (made === undefined) return <NewForm onMade={setMade} />;
  return <ShownOnce made={made} onKept={() => void navigate(linkTo(made.endpoint.id))} />;
}

function NewForm({ onMade }: { readonly onMade: (made: MadeSecret) => void }): ReactNode {
  const { company, list } = useEndpointOwner();
  const client = useTRPCClient();
  const { make, isBusy, error } = useMaking("Adding a webhook endpoint needs a recent sign-in.", onMade);
  const [requestId] = useState(() => crypto.randomUUID());
  const [draft, setDraft] = useState(() => draftOf());
  const [isTried, setTried] = useState(false);
  const wrong = wrongWith(draft);

  const submit = (): void => {
    setTried(true);
    if (wrong !== undefined) return;
    const { url, description, perSecond, types } = draft;
    void make(() =>
      client.webhooks.create.mutate({
        company,
        url: url.trim(),
        description: description.trim(),
        perSecond: Number(perSecond),
        ...(types.kind === "picked" && { types: types.picked }),
        requestId,
      }),
    );
  };

  return (
    <Page title="New webhook endpoint">
      <Form
        onSubmit={submit}
        action="Add the endpoint"
        busy={isBusy}
        cancel={
          <Link {...list} className={buttonLook()}>
            Cancel
          </Link>
        }
        problem={error !== undefined && <ErrorNotice error={error} />}
      >
        <EndpointFields draft={draft} onChange={setDraft} wrong={isTried ? wrong : undefined} />
      </Form>
    </Page>
  );
}
