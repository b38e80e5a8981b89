/** Pages for those who are not in yet, and for what does not exist. */
import type { Child } from "hono/jsx";
import { Head } from "./head.tsx";

function Frame(
  { title, refresh, children }: { title: string; refresh?: string; children?: Child },
) {
  return (
    <html lang="en">
      <Head title={`${title} · qj`}>
        {refresh !== undefined && <meta http-equiv="refresh" content={`0;url=${refresh}`} />}
      </Head>
      <body>
        <main id="main" class="small">
          <h1>{title}</h1>
          {children}
        </main>
      </body>
    </html>
  );
}

/** `error`: what was wrong with what was given. */
export function SignIn({ error }: { error?: string }) {
  return (
    <Frame title="Sign in">
      {error !== undefined && <p class="refused" role="alert">{error}</p>}
      <p>
        The token of this queue is in the file that <code>--http-token-file</code>{" "}
        names, or else in the one beside the state file whose name ends with{" "}
        <code>.token</code>. Unless the file was named, qj has also written a link with it to its
        log when it started.
      </p>
      <form method="post" action="/sign-in" class="fields">
        <label>
          <span>Token</span>
          <input type="password" name="token" required autocomplete="current-password" />
        </label>
        <p>
          <button type="submit" class="main">Sign in</button>
        </p>
      </form>
    </Frame>
  );
}

/**
 * The way in goes through a page of ours: a browser that comes from elsewhere would not send the cookie (SameSite) behind a
 * redirection. The token is out of the address then.
 */
export function SignedIn() {
  return (
    <Frame title="Signed in" refresh="/">
      <p>
        <a href="/">To the overview</a>
      </p>
    </Frame>
  );
}

export function Problem({ title, text }: { title: string; text: string }) {
  return (
    <Frame title={title}>
      <p>{text}</p>
      <p>
        <a href="/">To the overview</a>
      </p>
    </Frame>
  );
}
