-- Runs after the jwt plugin has verified the token. The service checks the scope again, and the role.
local token = (kong.request.get_header("authorization") or ""):match("^%s*[Bb]earer%s+[^.%s]+%.([^.%s]+)%.")
local claims = ""
if token then
  local text = token:gsub("-", "+"):gsub("_", "/")
  claims = ngx.decode_base64(text .. ("="):rep(-#text % 4)) or ""
end
local scopes = claims:match('"SCOPE_CLAIM"%s*:%s*"([^"]*)"') or ""
if not (" " .. scopes .. " "):find(" SCOPE ", 1, true) then
  return kong.response.exit(403,
    '{"type":"/problems/forbidden","title":"Not allowed","status":403}',
    { ["Content-Type"] = "application/problem+json" })
end
